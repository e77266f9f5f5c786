/**
 * What the words near a value say about it, in English, Dutch, French, German, Spanish, Italian, Portuguese, Polish,
 * Swedish, Danish, Norwegian and Finnish, and the keys that programmers make of them.
 *
 * Words are whole words without accents. A phrase's words are joined by `_`; in a text, a key or camelCase they may be
 * apart by anything short. So `driving_licence` is in `driving licence`, `driving-licence=` and `drivingLicence`.
 *
 * Sources: the names that the issuing authorities use themselves; EU Commission TIN portal; ICAO Doc 9303.
 */
export const topicWords = {
  // Documents and numbers of any country.
  national_id:
    'national_id national_identity national_identification nationalid identity_number identification_number id_number national_number numero_national nationaal_nummer national_insurance_id personal_number personal_id personal_identity personal_code personnel_id citizen_id citizen_number identiteitsnummer persoonsnummer numero_identidad identificacion_nacional documento_identidad numero_identificacion documento_nacional identifiant_national numero_identite nationalnummer personenkennziffer personenkennzahl numero_identificativo numero_identidade numer_identyfikacyjny personnummer henkilotunnus idnummer idnumber natid nid idno resident_number citizen_service nationalnumber national_insurance ssn_equivalent insee',
  gov_id: 'government_id gov_id govid government_issued',
  social_security:
    'social_security socialsecurity social_insurance socialnumber securite_sociale numero_secu secu numero_ss seguridad_social sozialversicherung sozialversicherungsnummer previdenza_sociale seguranca_social ubezpieczenie_spoleczne ubezpieczenia_spolecznego sociale_zekerheid insz niss ssn',
  tax_id:
    'tax_id taxid tax_number tax_no tax_identification tax_identifier tin taxpayer taxpayer_id taxpayer_number tax_ref tax_reference tax_code fiscal_number fiscal_code fiscal_id numero_fiscal identifiant_fiscal reference_fiscale numero_spi steuernummer steuer_id steuerid belastingnummer fiscaal_nummer numero_contribuyente identificacion_fiscal identificacion_tributaria contribuinte numero_contribuinte identificacao_fiscal numer_podatkowy identyfikacji_podatkowej skattenummer verotunnus tax_identification_number numero_de_identification_fiscale numer_identyfikacji_podatkowej skatte_id',
  company_id:
    'company_number company_id company_no company_registration business_number business_registration registration_number enterprise_number corporate_number organization_number organisation_number handelsregister handelsregisternummer kvk kvk_nummer numero_entreprise ondernemingsnummer registre_commerce rcs firmenbuchnummer numero_empresa partita_iva crn numero_d_entreprise numero_de_entreprise',
  passport:
    'passport passports passport_number passport_no passportno passportnumber passport_num reisepass reisepassnummer passnummer passeport numero_passeport paspoort paspoortnummer reispas pasaporte numero_pasaporte passaporto numero_passaporto passaporte paszport paszportu numer_paszportu passinumero passi pasnummer pasport pas_nr pass_number pass_no pass_nr pass_nummer passaportu pasaport passeports travel_document reisedokument reisdocument document_voyage numero_de_passeport numero_de_pasaporte numero_di_passaporto numero_de_passaporte',
  id_card:
    'id_card idcard identity_card identitycard identification_card national_card card_id personalausweis personalausweisnummer ausweis ausweisnummer ausweisnr perso identiteitskaart identiteitskaartnummer carte_identite carte_nationale cni cin documento_identita carta_identita carta_di_identita cie tarjeta_identidad cedula cartao_cidadao bilhete_identidade dowod dowod_osobisty dowodu_osobistego dowodu identitetskort legitimation id_kort idkort henkilokortti carte_d_identite carta_d_identita carte_nationale_d_identite documento_d_identita identiteitsbewijs legitimatiebewijs id_kaart idkaart carte_d_id id_document identity_document',
  driving_licence:
    'driving_licence driving_license driver_licence driver_license drivers_licence drivers_license driver_s_license driver_s_licence driverlicense driverslicense driverlicence driver_lic drivers_lic dl_number dl_no dlnumber rijbewijs rijbewijsnummer permis_conduire permis_de_conduire numero_permis fuhrerschein fuehrerschein fuhrerscheinnummer fuehrerscheinnummer fuhrerausweis permiso_conducir permiso_de_conducir carnet_conducir licencia_conducir patente_guida patente_di_guida patente carta_conducao carta_de_conducao cnh prawo_jazdy prawa_jazdy korkort korkortsnummer forerkort korekort ajokortti license_number licence_number licence_de_conduire rijbewijs_nr patentino licencia_de_conducir carta_de_conducao_numero fuhrerschein_nr driver_id_number korekortnummer forerkortnummer',
  vehicle_plate:
    'car_reg reg_plate reg_no car_registration car_s_registration bike_registration bike_s_registration vehicle_s_registration vehicle_reg vehicle_no vehicle_number plates license_plate licence_plate licenseplate licenceplate number_plate numberplate plate_number plate_no plate vehicle_registration vehicle_plate registration_plate vrn vrm kenteken kentekennummer kentekenplaat nummerplaat nummerplaatje plaque plaque_immatriculation immatriculation immatriculee kennzeichen kfz_kennzeichen nummernschild autokennzeichen amtliches_kennzeichen matricula numero_matricula targa numero_targa placa tablica_rejestracyjna rejestracyjny numer_rejestracyjny nr_rejestracyjny rejestracja registreringsnummer regnr nummerskylt nummerplade rekisterinumero rekisterikilpi plaka license_tag',
  health_id:
    'health_id health_number health_card health_insurance healthcare_number medical_record medical_id mrn patient_id patient_number patientnummer krankenversicherungsnummer krankenversichertennummer versichertennummer kvnr assurance_maladie carte_vitale tessera_sanitaria tarjeta_sanitaria zorgverzekering polisnummer numero_utente numer_pacjenta insurance_id numero_securite patient_nr insurance_number medical_record_number mrn_number verzekeringsnummer verzekerdennummer',
  bank_account:
    'bank_account account_number account_no accountnumber bank_number acct acct_no acct_number bankaccount rekeningnummer bankrekening rekening numero_compte compte_bancaire numero_de_compte rib kontonummer kontonr bankkonto bankverbindung numero_cuenta cuenta_bancaria ccc conto_corrente numero_conto conto_bancario conta_bancaria numero_conta nib numer_konta rachunek rachunku numer_rachunku nr_konta konto bankkontonummer tilinumero tili checking_account savings_account numero_de_cuenta numero_de_conta numero_di_conto bank_acct acct_num account_num accountno beneficiary_account',
  phone:
    'my_number your_number his_number her_number our_number mijn_nummer mon_numero meine_nummer mi_numero mio_numero meu_numero moj_numer mitt_nummer mit_nummer phone phones phone_number phonenumber telephone telephone_number tel telno tel_no mobile mobile_number mobile_no mobilephone cell cellphone cell_phone msisdn fax fax_number call called caller calling callback call_me contact_number contact_no reach_me reach answering dial dialed dialled ring sms whatsapp signal_number hotline office desk telefoon telefoonnummer gsm gsmnummer mobiel mobiele_nummer bel bellen numero_telephone telephone_portable portable mobile_phone appeler joindre telephonique telefon telefonnummer handy handynummer mobilnummer mobiltelefon rufnummer anrufen erreichbar ruckruf telefono telefonico movil celular numero_movil llamar llamame cellulare chiamare chiamami telefone telemovel telemovel_numero ligar telefonu numer_telefonu komorka komorkowy zadzwonic zadzwon tlf mobiltelefonnummer ring_mig puhelin puhelinnumero matkapuhelin telephony registered messages_to message_to sms_to text_to to_number from_number recipient_number subscriber phone_no phonenr telnr mobil mobilnr telefoonnr telefonnr telefono_movil numero_de_telefono numero_de_telephone numero_di_telefono numero_de_telemovel nr_telefonu numer_telefonu_komorkowego tel_mobile portable_number whatsapp_number puhelinnro kontakttelefon telefax cellphone_number mobilephone_number',
  credit_card:
    'card cards credit_card creditcard card_number cardnumber card_no cardno cc cc_number ccnum ccnumber debit_card debitcard payment_card pan visa mastercard amex american_express maestro carte_bancaire carte_credit carte_de_credit carte_bleue numero_carte numero_cb carte_cb kreditkarte kreditkartennummer kartennummer karte creditcardnummer kaartnummer kredietkaart betaalkaart bankkaart kaart tarjeta tarjeta_credito numero_tarjeta carta_credito carta_di_credito numero_carta carta cartao cartao_credito cartao_de_credito numero_cartao karta karty karta_kredytowa karty_kredytowej numer_karty kreditkort kortnummer kortnr kort betalkort betalingskort luottokortti korttinumero numero_de_carte numero_de_tarjeta numero_di_carta card_num cardnum ccno numero_de_cartao kreditkartennr kaart_nr',
  iban: 'iban iban_number ibannummer',
  bic: 'bic bic_code swift swift_code swiftcode swift_bic bic_swift code_bic codice_bic',
  lei: 'lei lei_code legal_entity legal_entity_identifier',
  vin: 'vin vin_number chassis chassis_number chassisnummer numero_chassis fahrgestellnummer fahrzeugidentifizierungsnummer bastidor numero_bastidor telaio numero_telaio vehicle_identification frame_number fin nadwozia numer_vin chassinummer stelnummer vehicle_identification_number numero_de_chassis numero_de_bastidor numero_di_telaio fahrgestell_nr chassis_nr',
  imei: 'imei imei_number device_imei',
  birth_date:
    'birth_date birthdate date_of_birth dob birthday born date_naissance date_de_naissance ne_le nee_le geburtsdatum geboren geboren_am geb geboortedatum geboren_op fecha_nacimiento fecha_de_nacimiento nacido data_nascita data_di_nascita nato_il data_nascimento data_de_nascimento nascido data_urodzenia urodzony urodzona fodelsedatum fodt fodselsdato fodselsdag fodd syntymaaika geburtstag geboortedag naissance nacimiento nascita nascimento urodzenia birthdt born_on ddn geb_datum fodelsedag date_naiss birth_dt',

  // Europe.
  be_nrn:
    'nrn rrn rijksregister rijksregisternummer rijksregisternr registre_national numero_registre_national numero_de_registre_national numero_national niss insz bis_number bisnummer nationalregister nationalregisternummer nationaal_nummer national_register national_registry',
  be_enterprise:
    'ondernemingsnummer kbo kbo_nummer bce numero_entreprise numero_bce enterprise_number kbonummer btw btw_nummer numero_tva numero_d_entreprise kbo_nr bce_kbo numero_de_entreprise btw_nr',
  nl_bsn:
    'bsn bsn_nummer bsnnummer burgerservicenummer burger_service_nummer sofi sofinummer sofi_nummer citizen_service_number citizen_service persoonsgebonden_nummer',
  de_tax_id:
    'steuer_id steuerid steuer_identifikationsnummer steueridentifikationsnummer steuer_idnr steueridnr idnr identifikationsnummer steuerliche_identifikationsnummer tin steuernummer german_tax_id steueridnr steuer_identifikation',
  de_svnr:
    'sozialversicherungsnummer sozialversicherung rentenversicherungsnummer rvnr svnr sv_nummer sv_nr versicherungsnummer rentenversicherung sozialversicherungs_nr rv_nummer rvnummer',
  fr_nir:
    'nir securite_sociale numero_secu numero_de_secu secu numero_securite_sociale numero_de_securite_sociale numero_ss no_secu insee numero_insee numero_de_ss num_secu no_de_securite_sociale numero_d_assure numero_assure carte_vitale',
  fr_tax_id:
    'numero_fiscal numero_spi identifiant_fiscal reference_fiscale numero_fiscale nif_francais numero_fiscal_de_reference numero_fiscal_reference',
  fr_siren: 'siren numero_siren',
  fr_siret: 'siret numero_siret',
  es_dni: 'dni nif documento_nacional documento_nacional_de_identidad numero_dni documento_identidad',
  es_nie: 'nie numero_nie identidad_de_extranjero extranjero tarjeta_residencia numero_de_extranjero',
  es_cif: 'cif nif_empresa codigo_identificacion_fiscal identificacion_fiscal',
  es_nuss:
    'nuss naf seguridad_social numero_seguridad_social numero_de_la_seguridad_social afiliacion numero_afiliacion nss num_seg_social seg_social numero_de_seguridad_social numero_de_afiliacion num_ss',
  it_cf: 'codice_fiscale codicefiscale cf cod_fiscale cod_fisc',
  it_vat: 'partita_iva piva p_iva partitaiva',
  pt_nif:
    'nif contribuinte numero_contribuinte numero_de_contribuinte numero_fiscal identificacao_fiscal numero_de_identificacao_fiscal nipc',
  pt_cc: 'cartao_cidadao cartao_de_cidadao cc numero_cartao_cidadao citizen_card',
  pl_pesel: 'pesel numer_pesel nr_pesel pesel_number',
  pl_nip: 'nip numer_nip nr_nip nip_number',
  pl_regon: 'regon numer_regon nr_regon',
  se_personnummer:
    'personnummer persnr pnr samordningsnummer personnr person_nummer swedish_personal personal_identity_number',
  se_orgnr: 'organisationsnummer orgnr org_nr orgnummer organisationsnr org_nummer',
  fi_hetu: 'hetu henkilotunnus henkilotunnukseni sotu sosiaaliturvatunnus finnish_personal personal_identity_code',
  dk_cpr: 'cpr cpr_nummer cprnummer cpr_nr cprnr cpr_number personnummer danish_cpr personnummer_dk',
  no_fnr: 'fodselsnummer fnr fodselsnr foedselsnummer personnummer d_nummer dnummer fodselsnummeret norwegian_national',
  at_svnr:
    'svnr sv_nummer sv_nr sozialversicherungsnummer svnummer versicherungsnummer ecard e_card sozialversicherung sv_nummer_at',
  ch_ahv:
    'ahv ahv_nummer ahvnummer ahvn avs numero_avs navs ahv_nr sozialversicherungsnummer oasi nuova_avs numero_avs_navs ahvn versichertennummer sozialversicherungsnummer_ch',
  ie_ppsn: 'ppsn pps pps_number ppsnumber pps_no personal_public_service',
  cz_rc: 'rodne_cislo rodnecislo rodneho_cisla rodne birth_number r_c',
  uk_nhs: 'nhs nhs_number nhsnumber nhs_no',
  uk_nino:
    'nino national_insurance national_insurance_number ni_number ni_no ninumber nationalinsurance nat_ins ni_no nino_number',
  vat: 'vat vat_number vat_id vatnumber vatid vat_no vat_reg btw btw_nummer btwnummer tva numero_tva ust_id ustid umsatzsteuer ust_idnr ustidnr umsatzsteuer_identifikationsnummer uid_nummer iva numero_iva partita_iva nif_iva moms momsnummer alv vat_registration ust vat_eu numero_de_tva numero_di_partita_iva vat_registration_number btw_nr btw_id ust_nr umsatzsteuer_id umsatzsteuernummer numero_de_iva momsregistreringsnummer alv_numero uid_nr uid_number',
  ro_cnp: 'cnp cod_numeric_personal',
  bg_egn: 'egn edinen_grazhdanski',
  ee_ik: 'isikukood ik estonian_id',
  lt_ak: 'asmens_kodas asmenskodas',
  hr_oib: 'oib osobni_identifikacijski',
  si_emso: 'emso jmbg',
  lu_id: 'matricule numero_matricule cnsnummer matricule_nationale',
  gr_amka: 'amka',

  // The world.
  us_ssn:
    'ssn ssn_number social_security social_security_number social_security_no socialsecurity socialsecuritynumber ss_number ss_no soc_sec social_number',
  us_itin:
    'itin individual_taxpayer taxpayer_identification individual_taxpayer_identification_number individual_taxpayer_identification',
  us_mbi: 'mbi medicare medicare_beneficiary medicare_number medicare_id beneficiary_identifier',
  us_npi: 'npi national_provider provider_identifier',
  aba_routing_number: 'aba routing routing_number routingnumber aba_number aba_routing rtn routing_transit routing_no',
  us_bank_number:
    'bank_account account_number checking_account savings_account bank_number us_bank account_no acct checking_account_number savings_account_number',
  ca_sin: 'sin social_insurance social_insurance_number sin_number numero_assurance_sociale nas',
  br_cpf: 'cpf numero_cpf cadastro_pessoas',
  br_cnpj: 'cnpj',
  in_aadhaar: 'aadhaar aadhar aadhaar_number uidai adhar aadhaarnumber',
  in_pan: 'pan pan_number permanent_account pan_card income_tax',
  in_gstin: 'gstin gst gst_number goods_services',
  in_voter:
    'voter voter_id voterid election voter_card voter_id_card voter_card_number epic_number epic_no voter_epic epic',
  kr_rrn: 'rrn resident_registration resident_registration_number korean_rrn jumin jumin_number korea_resident',
  kr_frn: 'frn foreigner_registration alien_registration foreign_registration foreigner_registration_number arc',
  kr_brn: 'brn business_registration business_registration_number',
  sg_nric_fin: 'nric fin nric_fin foreign_identification nric_number',
  sg_uen: 'uen unique_entity unique_entity_number',
  th_tnin: 'tnin thai_national thai_id thai_national_id citizen_id thailand_id',
  tr_national_id:
    'tckn tc_kimlik kimlik kimlik_no tc_no turkish_id turkish_national kimlik_numarasi tc tckimlik turkish_identity turkish_id_number turkish_identity_number tc_kimlik_no',
  ng_nin: 'nin nin_number nigeria_nin nigerian_national nimc national_identification_number',
  ph_tin: 'tin ph_tin philippine_tin bir_tin taxpayer_identification',
  ph_umid: 'umid crn ph_umid umid_number common_reference unified_multi',
  au_abn: 'abn australian_business abn_number australian_business_number',
  au_acn: 'acn australian_company acn_number australian_company_number',
  au_tfn: 'tfn tax_file tax_file_number',
  au_medicare: 'medicare medicare_number medicare_card medicare_no',
  za_id_number:
    'south_african_id za_id sa_id id_number rsa_id identity_number south_african sa_id_number rsa_id_number south_african_id_number',
  mac: 'mac mac_address macaddr hwaddr ethernet bssid ether hw_addr physical_address macaddress',
  ip: 'ip ip_address ipaddress ipaddr client_ip remote_addr remote_ip source_ip address host_ip peer_ip ipv',

  // Countries, which only help to choose among types.
  c_us: 'checking_account checking_account_number savings_account savings_account_number driver_license drivers_license driver_s_license dl_number us usa american u_s united_states california texas florida us_passport us_id_card us_identity us_driving us_driver us_vehicle us_plate us_license_plate',
  c_uk: 'uk british gb england united_kingdom great_britain uk_passport uk_id_card uk_identity uk_driving uk_driver uk_vehicle uk_plate uk_license_plate',
  c_de: 'reisepassnummer personalausweisnummer ausweisnummer ausweisnr fuehrerscheinnummer german germany deutsch deutscher deutsche deutschland reisepass personalausweis ausweis fuhrerschein fuehrerschein fuhrerscheinnummer perso kennzeichen de_passport de_id_card de_identity de_driving de_driver de_vehicle de_plate de_license_plate',
  c_es: 'numero_pasaporte spanish spain espanol espana pasaporte numero_de_pasaporte es_passport es_id_card es_identity es_driving es_driver es_vehicle es_plate es_license_plate',
  c_it: 'numero_passaporto italian italy italiano italiana italia passaporto patente_guida patente_di_guida carta_identita carta_di_identita targa numero_di_passaporto carta_d_identita it_passport it_id_card it_identity it_driving it_driver it_vehicle it_plate it_license_plate',
  c_pl: 'numer_paszportu numer_rejestracyjny polish poland polski paszport paszportu prawo_jazdy prawa_jazdy dowod dowodu dowod_osobisty rejestracyjny pl rejestracja tablica_rejestracyjna pl_passport pl_id_card pl_identity pl_driving pl_driver pl_vehicle pl_plate pl_license_plate',
  c_fr: 'numero_passeport french france francais passeport fr carte_identite numero_de_passeport fr_passport fr_id_card fr_identity fr_driving fr_driver fr_vehicle fr_plate fr_license_plate',
  c_be: 'belgian belgium belgisch belgische belge belgique belgie be_passport be_id_card be_identity be_driving be_driver be_vehicle be_plate be_license_plate',
  c_nl: 'kentekennummer rijbewijsnummer dutch netherlands nederlands nederlandse nl holland kenteken paspoort rijbewijs paspoortnummer nl_passport nl_id_card nl_identity nl_driving nl_driver nl_vehicle nl_plate nl_license_plate',
  c_kr: 'korean korea south_korea kr republic_of_korea kr_passport kr_id_card kr_identity kr_driving kr_driver kr_vehicle kr_plate kr_license_plate',
  c_in: 'indian india in_vehicle indian_vehicle in_passport in_id_card in_identity in_driving in_driver in_vehicle in_plate in_license_plate',
  c_ph: 'philippine philippines filipino ph ph_passport ph_id_card ph_identity ph_driving ph_driver ph_vehicle ph_plate ph_license_plate',
  c_za: 'south_african south_africa za rsa sa za_passport za_id_card za_identity za_driving za_driver za_vehicle za_plate za_license_plate',
  c_tr: 'turkish turkey plaka tr tr_passport tr_id_card tr_identity tr_driving tr_driver tr_vehicle tr_plate tr_license_plate',
  c_ng: 'nigerian nigeria ng ng_passport ng_id_card ng_identity ng_driving ng_driver ng_vehicle ng_plate ng_license_plate',

  version: 'version ver versions release firmware build revision driver sdk agent v kernel upgraded upgrade',
  counter:
    'seq sequence offset size bytes timestamp ts time epoch ms ns us count hash pid tid port length lag seed span trace blk block inode cursor nonce ratio elapsed duration',
  // Words that say that a number is no identifier of a person.
  not_phone:
    'octets packets account account_id accountid id ids order invoice ticket build version ts timestamp time epoch bytes size offset length port pid tid count duration ms seq sequence number_of revision rev commit sha hash checksum seed serial sku isbn issue page line job batch block partition uid gid inode tracking transaction txn case ref reference amount total price',
} as const

export type Topic = keyof typeof topicWords
export const topics = Object.keys(topicWords) as Topic[]
export const topicIds = Object.fromEntries(topics.map((topic, i) => [topic, i])) as Record<Topic, number>
